-- loop.lua - a module that needs itself.
return require "require.loop"
