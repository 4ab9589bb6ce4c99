"""Whose data it is → all that came of it: tags said of artifacts, followed to what derives from them, retracted, and audited."""
