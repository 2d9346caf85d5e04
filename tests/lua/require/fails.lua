-- fails.lua - a module that raises.
error("on purpose")
