-- error-escapes.lua - an error that would do something to a terminal.
-- status: 1
-- args: --cpu 1s --memory 8MiB
-- stderr: careful
error("careful\27[2J\27]0;owned\7\0\8\8\r\127\xc2\x9b31m\u{202e}")
