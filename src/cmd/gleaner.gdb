# SPDX-License-Identifier: MIT
# For gdb: the signals by which Gleaner stops threads are not to stop the debugger. For a library with
# the option suspend_signal, name that signal instead of SIG60. Use:  gdb -x gleaner.gdb PROGRAM
handle SIG60 nostop noprint pass
handle SIG33 nostop noprint pass
