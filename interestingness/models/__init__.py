"""nn.Modules that take tensors only: backbones, heads, scorers."""
