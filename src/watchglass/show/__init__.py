"""ANYTHING → A PICTURE: Vega-Lite charts and the sentences beside them."""
