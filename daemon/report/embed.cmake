# cmake -DINPUT=file -DOUTPUT=file.cpp -DNAME=function -P embed.cmake
# Writes the function std::string_view driftloop::daemon::assets::NAME() that shows the bytes of INPUT.
# Plain C++ rather than .incbin: it needs no second language and works with every compiler and target.
file(READ "${INPUT}" hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE "${OUTPUT}" "#include \"daemon/report/assets.h\"
namespace {
constexpr unsigned char kBytes[] = {${bytes}0};
}
std::string_view driftloop::daemon::assets::${NAME}() {
  return {reinterpret_cast<const char*>(kBytes), sizeof kBytes - 1};
}
")
