-- slow.lua - a module that waits while it is loaded.
require "time".sleep("1ms")
return "woken"
