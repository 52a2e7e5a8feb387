"""What may be asked of the gateway, as OpenAPI 3.1: rows beside the routes, and schemas from what reads the bodies."""
