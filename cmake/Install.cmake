# Library, headers, program, package files.
