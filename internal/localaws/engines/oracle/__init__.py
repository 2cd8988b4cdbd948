"""A second client that holds the stand-in's answers to AWS's own models."""
