"""What a person or token may do, as an answer with the grant that says so."""
