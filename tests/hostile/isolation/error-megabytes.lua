-- error-megabytes.lua - an error of megabytes is told in short.
-- status: 1
-- args: --cpu 2s --memory 32MiB
-- stderr: long story
error("long story " .. ("very "):rep(1 << 20))
