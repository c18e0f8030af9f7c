package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/drm-cluster/drm/nearest"
)

const (
	envPrefix   = "DRM_"
	envFileFlag = "env-file"
	// internalFlag marks flags that drm passes to itself: hidden, and not to be set by a variable.
	internalFlag = "internal"
)

// bindAndExecute runs the command line with every flag that it leaves out taken from its variable.
func bindAndExecute(root *cobra.Command, env []string) error {
	vars := variables(env)
	known := knownVariables(root)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkVariables(vars, known, "variable"); err != nil {
			return err
		}
		return bind(cmd.Flags(), vars, known)
	}
	return root.Execute()
}

// variables turns KEY=value lines into a map, without the empty ones: an empty variable counts as not set.
func variables(env []string) map[string]string {
	vars := make(map[string]string, len(env))
	for _, line := range env {
		if name, value, ok := strings.Cut(line, "="); ok && value != "" {
			vars[name] = value
		}
	}
	return vars
}

// envName is the variable that stands for a flag.
func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// knownVariables are those of the flags of all commands: a shell set up for one command may run another.
func knownVariables(root *cobra.Command) []string {
	known := map[string]bool{}
	for _, cmd := range root.Commands() {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if bindable(f) {
				known[envName(f.Name)] = true
			}
		})
	}
	return slices.Sorted(maps.Keys(known))
}

func bindable(f *pflag.Flag) bool {
	return f.Name != "help" && f.Annotations[internalFlag] == nil
}

// kubernetesVariable matches what Kubernetes and Docker links set in every container for a service called drm, or
// drm-anything.
var kubernetesVariable = regexp.MustCompile(
	`^DRM_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// checkVariables refuses variables that look like drm's and aren't.
func checkVariables(vars map[string]string, known []string, what string) error {
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(known, name) || kubernetesVariable.MatchString(name) {
			continue
		}
		return fmt.Errorf("unknown %s %s%s", what, name, didYouMean(name, known))
	}
	return nil
}

// bind sets each flag that the command line left out from its variable, else from the env file.
func bind(flags *pflag.FlagSet, vars map[string]string, known []string) error {
	file, err := readEnvFile(flags, vars, known)
	if err != nil {
		return err
	}
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || failed != nil || !bindable(f) {
			return
		}
		name := envName(f.Name)
		value, from := vars[name], name
		if value == "" {
			value, from = file[name], name+" in the env file"
		}
		if value == "" {
			return
		}
		if err := f.Value.Set(value); err != nil {
			failed = fmt.Errorf("invalid value %q for %s (--%s): %w", value, from, f.Name, err)
		}
		f.Changed = true // but not among those that FlagSet.Visit shows: these are the command line's
	})
	return failed
}

// readEnvFile reads the file that --env-file or its variable names; a nil map when there is none.
func readEnvFile(flags *pflag.FlagSet, vars map[string]string, known []string) (map[string]string, error) {
	f := flags.Lookup(envFileFlag)
	if f == nil {
		return nil, nil
	}
	path := f.Value.String()
	if path == "" {
		path = vars[envName(envFileFlag)]
	}
	if path == "" {
		return nil, nil
	}
	file, err := parseEnvFile(path)
	if err != nil {
		return nil, exits(exitConfig, fmt.Errorf("read --env-file: %w", err))
	}
	return file, checkVariables(file, known, "variable in "+path)
}

func parseEnvFile(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var lines []string
	for n, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !strings.Contains(line, "=") {
			return nil, fmt.Errorf("%s:%d: %q is not of the form DRM_NAME=value", path, n+1, line)
		}
		lines = append(lines, line)
	}
	return variables(lines), nil
}

// suggestFlag adds the nearest flag to cobra's complaint about an unknown one.
func suggestFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, "--"+f.Name)
		}
	})
	return fmt.Errorf("%w%s", err, didYouMean("--"+unknown.GetSpecifiedName(), names))
}

// didYouMean is a question that names the known name that was meant, or nothing when none is alike.
func didYouMean(name string, known []string) string {
	meant := nearest.Name(name, known)
	if meant == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", meant)
}
