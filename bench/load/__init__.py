"""The processes of the sustained benchmark: writers, one who keeps the store, one who asks → what each has to tell, as JSON."""
