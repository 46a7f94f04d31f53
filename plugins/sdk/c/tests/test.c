// The tests of the SDK: `cd tests && sh ../test.sh`. run.sh runs them in every way that there is.
#include "src/plugin.c"
