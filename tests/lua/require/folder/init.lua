-- init.lua - a module that is a folder.
return "the folder"
