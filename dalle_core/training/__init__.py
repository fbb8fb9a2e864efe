"""Everything needed to train the networks: data, objectives, one loop, evaluation. Nothing imports it back."""
