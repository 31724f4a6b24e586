"""An asynchronous HTTP/1.1 client on trio and h11."""
