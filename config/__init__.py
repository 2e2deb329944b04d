"""How the parts are put together and run; imported by none of them."""
