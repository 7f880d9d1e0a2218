-- One record again and again, each request with an id of its own; how each was answered, and when, goes into a file.
local ffi = require("ffi")
ffi.cdef [[ typedef struct { long sec, usec; } moment; int gettimeofday(moment *now, void *zone); ]]

local lines = 0

-- A thread has one connection.
function setup(thread)
   lines = lines + 1
   thread:set("line", lines)
end

function init(args)
   moment = ffi.new("moment")
   phase, told = args[1], io.open(args[2] .. "." .. line, "w")
   record = args[3]
   asked = 0
   wrk.method = "POST"
   wrk.headers["content-type"] = "application/json"
end

function request()
   asked = asked + 1
   return wrk.format(nil, nil, nil, '{"id": "' .. phase .. "-" .. line .. "-" .. asked .. '", "records": [' .. record .. "]}")
end

function response(status, headers, body)
   ffi.C.gettimeofday(moment, nil)
   local id = headers["x-request-id"] or headers["X-Request-Id"] or ""
   told:write(string.format("%s\t%d\t%.6f\n", id, status, tonumber(moment.sec) + tonumber(moment.usec) / 1e6))
end

function done(summary)
   local e = summary.errors
   io.write(string.format('\n{"seconds": %.3f, "answered": %d, "refused": %d, "connect": %d, "read": %d, "write": %d, "late": %d}\n',
      summary.duration / 1e6, summary.requests, e.status, e.connect, e.read, e.write, e.timeout))
end
