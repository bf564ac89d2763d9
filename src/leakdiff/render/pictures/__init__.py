"""Pictures of who holds what grows: as text, DOT, Mermaid and SVG; small charts and treemaps beside them."""
