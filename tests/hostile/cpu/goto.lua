-- goto.lua - backwards with goto.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
::again::
goto again
