"""Figures of studies as HTML with SVG: fluid in width, coloured by the page's CSS, no script.

Text keeps its size on a phone because no chart is scaled: x is in per cent of the width, y in
pixels. Paths are in a nested SVG, which alone is stretched.
"""
