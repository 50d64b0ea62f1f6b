# Writes a C++ source with text files as constants; for cmake -P:
#   cmake -DOUTPUT=FILE.cc -DHEADER=path/of/the.h -DNAMESPACE=a::b -DNAMES="kA kB" -DFILES="a.html b.css" -P embed_text.cmake
# The header declares each name as: extern const std::string_view
separate_arguments(NAMES)
separate_arguments(FILES)
set(code "// Made by cmake/embed_text.cmake.\n#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n")
foreach(name file IN ZIP_LISTS NAMES FILES)
  file(READ "${file}" text)
  string(FIND "${text}" ")embedded\"" end)
  if(NOT end EQUAL -1)
    message(FATAL_ERROR "${file} contains )embedded\", which ends the constant that it would stand in")
  endif()
  string(APPEND code "\nconst std::string_view ${name} = R\"embedded(${text})embedded\";\n")
endforeach()
string(APPEND code "\n}  // namespace ${NAMESPACE}\n")
file(WRITE "${OUTPUT}" "${code}")
