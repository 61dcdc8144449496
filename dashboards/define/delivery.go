package define

import "github.com/tenhop/tenhop/dashboards/grafana"

func delivery() grafana.Dashboard {
	const svc = `service_name=~"$service"`
	return dashboard("delivery", "tenhop · 10 Delivery (DORA)",
		"How often services are deployed, how long a change takes, how many deployments fail and how soon they recover, over 30 days.",
		stat("Deployments", "0 with services that are deployed: they report no service.version. Run tenhop dora.", count, 4, above(1e6, 1e7),
			q("deployments", `sum(max by (service_name) (tenhop_dora_deployments))`)),
		stat("Lead time for changes", "Median from the commit to production. No value: tenhop dora says which versions have no commit.", seconds, 5, above(24*3600, 7*24*3600),
			q("median", `max(tenhop_dora_lead_time_seconds)`)),
		stat("Change failure rate", "No value: no deployment, or tenhop watch does not run. Above 0.15: smaller changes, or a canary.", ratio, 5, above(0.15, 0.3),
			q("failed", `max(tenhop_dora_change_failure_ratio)`)),
		stat("Failed deployment recovery", "Median of incidents after deployments. Above an hour: roll back first and diagnose afterwards.", seconds, 5, above(3600, 24*3600),
			q("median", `max(tenhop_dora_recovery_seconds)`)),
		stat("Time to restore", "Mean of all incidents, whatever caused them. The page of incidents has each.", seconds, 5, above(3600, 24*3600),
			q("mean", `max(tenhop_dora_restore_seconds)`)),
		table("Services", "Services with failed deployments first. Open the service at the time of its newest deployment.", 24, []string{"__name__", "job", "instance"}, []grafana.Link{openService},
			column{"failed", count, `max by (service_name) (tenhop_dora_failed_deployments{` + svc + `})`},
			column{"deployments", count, `max by (service_name) (tenhop_dora_deployments{` + svc + `})`}),
		lines("Instances by version", "Two lines of a service that cross are a deployment, and once more a rollback.", count, 24,
			q("{{service_name}} {{service_version}}", `count by (service_name, service_version) (target_info{`+svc+`})`)),
		lines("Evidence", "Much less than 30 days: the figures are about that time only.", seconds, 24,
			q("versions known", `max(tenhop_dora_evidence_seconds)`)),
	)
}
