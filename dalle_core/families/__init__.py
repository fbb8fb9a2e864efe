"""One file a checkpoint family, each an ImageModel. Nothing above this package knows which family is loaded."""
