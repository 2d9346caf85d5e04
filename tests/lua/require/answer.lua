-- answer.lua - a module that is a table.
return {value = 42, name = ...}
