"""What is measured of graph embedding: walks, training, and how good the vectors are."""
