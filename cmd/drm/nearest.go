package main

import "fmt"

// didYouMean is a question that names the most similar of the known names, or nothing when none is similar.
func didYouMean(name string, known []string) string {
	best, nearest := len(name)/3+1, ""
	for _, k := range known {
		if d := distance(name, k); d <= best {
			best, nearest = d-1, k
		}
	}
	if nearest == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", nearest)
}

// distance is the Levenshtein distance: the least number of letters to insert, delete or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
