-- error-nul.lua - an error with NULs at its begin, in its middle, and nothing
-- else.
-- status: 1
-- args: --cpu 1s --memory 8MiB
-- stderr: error-nul.lua
error("\0\0\0" .. ("\0"):rep(100000))
