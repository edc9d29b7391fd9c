"""What can be measured on a picture without a network; and how far it lies from the others."""
