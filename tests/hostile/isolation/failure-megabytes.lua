-- failure-megabytes.lua - and here it is megabytes of escapes.
-- status: 1
-- args: --cpu 2s --memory 64MiB
-- stderr: because
return nil, "because " .. ("\27[2J\0"):rep(1 << 20)
