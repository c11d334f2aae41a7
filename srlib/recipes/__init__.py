"""How networks are trained: by us, and by the papers. This file imports nothing."""
