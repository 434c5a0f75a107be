package bench

import (
	"encoding/csv"
	"fmt"
	"io"

	"github.com/ostiary/ostiary/bench/workload"
)

// WriteCSV writes the tuples of a workload's first store in the form that 'ostiary tuple import' reads.
func WriteCSV(out io.Writer, w *workload.Workload) error {
	rows := csv.NewWriter(out)
	err := rows.Write([]string{"user_type", "user_id", "user_relation", "relation", "object_type", "object_id", "condition_name", "condition_context"})
	for e := range w.Tuples(0) {
		if err != nil {
			return fmt.Errorf("write a tuple: %w", err)
		}
		condition, values := "", ""
		if len(e.Conditions) > 0 {
			condition, values = e.Conditions[0].Condition, string(e.Conditions[0].Context)
		}
		err = rows.Write([]string{e.Subject.Type, e.Subject.ID, e.Subject.Relation, e.Relation, e.Object.Type, e.Object.ID, condition, values})
	}
	rows.Flush()
	if err != nil {
		return fmt.Errorf("write a tuple: %w", err)
	}
	return rows.Error()
}
