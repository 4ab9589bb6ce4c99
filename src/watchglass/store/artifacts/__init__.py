"""What is known of artifact versions, and the bytes that are kept of them → lists, records, values again; what nobody names is swept."""
