package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/starttech/infrastructure/internal/operate"
)

func newLogsQueryCommand(p *project) *cobra.Command {
	var since time.Duration
	var o *operation
	command := &cobra.Command{
		Use:   "query [NAME]",
		Short: "Run a saved query of CloudWatch Logs Insights",
		Long: `Run a query of CloudWatch Logs Insights that the environment's stack has saved, wait for its end, and print the result. Without a name, it lists
the queries. The console has them too, in the folder of the environment.

AWS charges for the data that a query scans; --since limits it. An interrupt stops the query.`,
		Example: "  starttech logs query --env production\n  starttech logs query server-errors --env production --since 24h",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			if len(arguments) == 0 {
				return o.listQueries(command.Context())
			}
			if err := checkSince(since); err != nil {
				return err
			}
			return o.runQuery(command.Context(), arguments[0], since)
		},
	}
	o = newOperation(p, command)
	command.Flags().DurationVar(&since, "since", time.Hour, "how far to look back")
	return command
}

func (o *operation) listQueries(ctx context.Context) error {
	e, err := o.open(ctx)
	if err != nil {
		return err
	}
	queries, err := e.SavedQueries(ctx)
	if err != nil {
		return err
	}
	return o.print(queries, func(out io.Writer) {
		rows := [][]string{{"NAME", "LOG GROUP", "QUERY"}}
		for _, q := range queries {
			rows = append(rows, []string{q.Name, strings.Join(q.LogGroups, " "), strings.ReplaceAll(q.Query, "\n", " ")})
		}
		table(out, rows...)
	})
}

func (o *operation) runQuery(ctx context.Context, name string, since time.Duration) error {
	e, err := o.open(ctx)
	if err != nil {
		return err
	}
	query, err := e.SavedQuery(ctx, name)
	if err != nil {
		return err
	}
	var result operate.QueryResult
	if err := newSteps(os.Stderr, "").do(ctx, "Query "+strings.Join(query.LogGroups, ", "), func(*status) (err error) {
		now := time.Now()
		result, err = e.RunQuery(ctx, query, now.Add(-since), now)
		return err
	}); err != nil {
		return err
	}
	return o.print(result, func(out io.Writer) {
		if len(result.Rows) > 0 {
			rows := [][]string{result.Fields}
			for _, row := range result.Rows {
				var cells []string
				for _, field := range result.Fields {
					cells = append(cells, strings.Join(strings.Fields(row[field]), " ")) // a tab or a line break would end the cell
				}
				rows = append(rows, cells)
			}
			table(out, rows...)
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "%d rows from %.0f of %.0f events since %s.\n", len(result.Rows), result.Matched, result.Scanned, clock(result.Since))
	})
}
