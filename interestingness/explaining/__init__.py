"""Why a score is what it is: patches of the picture, training images alike, concepts."""
