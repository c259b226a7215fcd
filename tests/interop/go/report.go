package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
)

// line is what the runner reads for one check.
type line struct {
	Library string `json:"library"`
	Version string `json:"version"`
	As      string `json:"as"`
	Style   string `json:"style,omitempty"`
	Check   string `json:"check"`
	Result  string `json:"result"`
	Note    string `json:"note,omitempty"`
}

// report prints the checks of one library in one style.
type report struct {
	library, module, as, style string
}

// check runs one and prints how it went.
func (r report) check(name string, run func() error) {
	if err := run(); err != nil {
		r.print(name, "failed", err.Error())
		return
	}
	r.print(name, "passed", "")
}

// unsupported says that the library has no such thing, and where its documentation shows that.
func (r report) unsupported(name, note string) {
	r.print(name, "not supported", note)
}

func (r report) print(name, result, note string) {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	said := line{r.library, versionOf(r.module), r.as, r.style, name, result, note}
	if err := encoder.Encode(said); err != nil {
		fatal(err)
	}
}

// versionOf returns the version of a module that is compiled into this program.
func versionOf(module string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		fatal("this program has no build information")
	}
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return dependency.Version
		}
	}
	fatal(module + " is not in this program")
	return ""
}

// fatal ends the program: it is broken, not the library.
func fatal(why any) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}
