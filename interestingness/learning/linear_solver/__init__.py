"""Linear heads, hundreds at once: ``fit_linear`` finds the L2 optimum, ``fit_recipe`` runs Adam."""
