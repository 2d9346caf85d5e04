-- format-wide.lua - widths and precisions as large as there are.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
while true do
  for _, f in ipairs {"%99.99f", "%-99d", "%+099.99e", "%099x", "%.99s",
                      "%99.99g", "%a", "%.99a", "%q"} do
    pcall(string.format, f, 1e308)
    pcall(string.format, f, ("x"):rep(1000))
  end
end
