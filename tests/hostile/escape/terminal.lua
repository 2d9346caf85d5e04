-- terminal.lua - escape sequences of a script do not reach standard error.
-- status: 1
-- stderr: \x1b
error("\27]0;owned\7\27[2J" .. "\226\128\174")
