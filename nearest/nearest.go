// Package nearest finds the name that somebody who misspelt it meant: a field of a spec, a flag, a variable.
package nearest

import "strings"

// Name returns the known name that is most like word, "" when none is. Capitals count as small letters; of names
// that are alike it returns the first. A name is not alike when more than a third of the word's letters, and one, would
// have to change.
func Name(word string, known []string) string {
	meant, least := "", len(word)/3+2
	for _, name := range known {
		if abs(len(word)-len(name)) >= least { // no need to look: the difference alone is that many changes
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(name)); d < least {
			meant, least = name, d
		}
	}
	return meant
}

// distance is how many letters to insert, delete, replace or swap with their neighbour to make b of a (Damerau, 1964; the
// form that changes no letter twice, optimal string alignment). Swapped letters are the commonest slip of all. It
// compares bytes: the names are ASCII.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			replace := last[j]
			if a[i] != b[j] {
				replace++
			}
			row[j+1] = min(replace, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func abs(n int) int { return max(n, -n) }
