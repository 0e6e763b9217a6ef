"""A real Prometheus that scrapes both pages each second, and what it remembers of them."""

import json
import shutil
import urllib.parse
import urllib.request

import rig as e2e
from rig import check, wait_until

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
- job_name: collector
  static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
- job_name: hosts
  metrics_path: /metrics/hosts
  static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
# What the collector counts of itself since its own start, so a restart is a reset and says so.
OF_THE_PROCESS = ("ppmm_ingest_", "ppmm_http_", "ppmm_commit_", "process_")
COUNTERS = '{__name__=~".+_total",job=~"collector|hosts"}'


class Prometheus:
    """Its files go with the rig's folder."""

    def __init__(self, rig):
        folder = rig.folder / "prometheus"
        folder.mkdir()
        (folder / "prometheus.yml").write_text(CONFIG.format(port=rig.http_port))
        self.port = e2e.free_port()
        self.process = rig.start("prometheus", [
            shutil.which("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"])

    @staticmethod
    def installed():
        return shutil.which("prometheus") is not None

    def query(self, expression):
        """The result of an instant query, or None while it does not answer."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return json.load(answer)["data"]["result"]
        except OSError:
            return None

    def check_counters(self):
        """No counter ever fell, by its raw samples and by what Prometheus takes for a reset."""
        wait_until(lambda: self.query("1") is not None, 60, "Prometheus answers")
        names, samples, falls = set(), 0, []
        for series in self.query(f"{COUNTERS}[6h]"):
            name = series["metric"]["__name__"]
            if name.startswith(OF_THE_PROCESS):
                continue
            names.add(name)
            values = [float(value) for _, value in series["values"]]
            samples += len(values)
            falls += [f"{series['metric']}: {after} after {before}"
                      for before, after in zip(values, values[1:]) if after < before]
        check(not falls, "Prometheus saw counters fall: " + "; ".join(falls[:10]))
        for named in ("ppmm_samples_total", "ppmm_host_cpu_seconds_total", "ppmm_host_network_receive_packets_total"):
            check(named in names, f"Prometheus scraped {named}, among {sorted(names)}")
        resets = [series for name in sorted(names) for series in self.query(f"resets({name}[6h]) > 0")]
        check(not resets, f"Prometheus takes these for resets: {resets[:10]}")
        return f"Prometheus: {len(names)} counters, {samples} samples, none fell"
