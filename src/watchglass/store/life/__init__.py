"""A store whose data has a life → rows that end when they are to: by age and size, by name, and copies that outlive them."""
