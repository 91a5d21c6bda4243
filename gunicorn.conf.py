"""The web server, in a trial and in production alike; address and workers are given to it."""

worker_class = "gthread"
threads = 8  # a posted batch waits mostly for the database
timeout = 120  # seconds a worker may be silent
graceful_timeout = 10
loglevel = "warning"
control_socket_disable = True  # it would be a file outside the data directory
