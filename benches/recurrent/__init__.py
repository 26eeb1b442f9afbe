"""What is measured of recurrent nets: rows, the peer, and the sections of a run made of them."""
