"""Search by meaning: entries near a query in a space of vectors, ranked together with what its words found."""
