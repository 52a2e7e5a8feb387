"""How the gateway shows a provider who it is: a key, AWS's signature, or a token of Google's or Microsoft's."""
