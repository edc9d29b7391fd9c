"""Figures of studies as HTML with SVG: fluid in width, coloured by the page's CSS, no script.

Text keeps its size on a phone because no chart is scaled: x is in per cent of what room there is,
y in pixels. What must be a path lies in a nested SVG that alone is stretched.
"""
