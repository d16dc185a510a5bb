"""The nightly rehearsal of examples/kubernetes on tests/kubernetes' Kubernetes: the kustomize base, the CronJob that its controller starts, the account
that may nothing. The pair that it rehearses is of stand-ins (tests/standins), on the node's 127.0.0.1; the rehearsal itself is drtest's own, in its pod."""
import glob, json, os, shutil, subprocess, time

DRTEST_NS = 'dr-drill'
CLUSTERS = '''local keys = "?access-key=" .. env "AWS_ACCESS_KEY_ID" .. "&secret-access-key=" .. env "AWS_SECRET_ACCESS_KEY" .. "&endpoint=http://127.0.0.1:%(s3)d&force-path-style=true"
local function at(offset)
  return { sql = { host = "127.0.0.1", port = 4000 + offset, password = env "MYSQL_PWD" }, pd = "http://127.0.0.1:" .. 2379 + offset,
           status = "http://127.0.0.1:" .. 10080 + offset }
end
local primary, secondary, scratch = at(0), at(1000), at(2000)
primary.ticdc = "http://127.0.0.1:8300"
primary.allow = { %(allow)s }
secondary.allow = { "restore", "write" }
scratch.expendable = true
return { primary = primary, %(secondary)s scratch = scratch, store = "s3://drtest/runs" .. keys, redo = "s3://redo/live" .. keys, redo_time_zone = "+00:00" }
'''
SETUP = '''local scenario = require "drtest.scenario"
return scenario { name = "setup", run = function(t)
  t:step("set up", function()
    local primary, secondary = t:clusters({ name = "primary" }, { name = "secondary" })
    primary:sql "CREATE DATABASE d"
    primary:sql "CREATE TABLE d.t (id INT PRIMARY KEY, v TEXT)"
    for i = 1, 50 do primary:sql("INSERT INTO d.t VALUES (" .. i .. ", 'before')") end
    primary:set_gc(false)
    local store = t:store { buckets = { "backup" } }
    local backup = primary:backup(store:url "backup/first")
    secondary:restore(backup)
    local feed = primary:changefeed { id = "live", sink = secondary, start_ts = backup.ts, redo = "%(redo)s" }
    primary:set_gc(true)
    for i = 1, 20 do primary:sql("UPDATE d.t SET v = 'after' WHERE id = " .. i) end
    local at = primary:position()
    t:eventually("it arrives", "%(limit)ds", function() return feed:reached(at) end)
  end)
end }
'''

def pair(world, drtest, limit):
    """Three clusters of stand-ins, a changefeed with a redo log between two of them."""
    home = world.path('tiup')
    os.makedirs(home + '/bin')
    open(home + '/bin/root.json', 'w').write('{}')
    env = dict(os.environ, TIUP_HOME=home, PATH=os.path.abspath('tests/standins') + ':' + os.environ['PATH'], DRTEST=drtest, STANDIN_FAULTS='brie-slow=never',
               MYSQL_PWD='', DRTEST_UNDO=world.path('undo'))
    for name, offset, ticdc in (('primary', 0, 1), ('secondary', 1000, 0), ('scratch', 2000, 0)):
        world.procs.append(subprocess.Popen(['tiup', '--tag', name, 'playground', 'v8.5.7', '--host', '127.0.0.1', '--db', '1', '--pd', '1', '--kv', '1', '--tiflash', '0',
                                             '--ticdc', str(ticdc), '--without-monitor', '--port-offset', str(offset)], env=env, start_new_session=True,
                                            stdout=open(world.path(name + '.log'), 'wb'), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL))
    for name in 'primary', 'secondary', 'scratch':
        world.until('the stand-in ' + name, lambda: os.path.exists('%s/data/%s/dsn' % (home, name)), 120)
    keys = '?access-key=minio&secret-access-key=miniostorage&endpoint=http://127.0.0.1:%d&force-path-style=true' % world.s3_port
    open(world.path('setup.lua'), 'w').write(SETUP % {'redo': 's3://redo/live' + keys, 'limit': limit})
    open(world.path('setup-clusters.lua'), 'w').write(CLUSTERS % {'s3': world.s3_port, 'allow': '"backup", "gc", "changefeed", "write"', 'secondary': 'secondary = secondary,'})
    p = subprocess.run([drtest, 'run', world.path('setup.lua'), '--on', 'attach', '--clusters', world.path('setup-clusters.lua'), '--out', world.path('setup-runs'), '--keep'],
                       env=env, capture_output=True, text=True)
    if p.returncode:
        raise SystemExit('the pair could not be set up:\n' + p.stdout + p.stderr)

def overlay(world, bin_dir):
    """As a team would lay it over the base: its clusters file; and what this node lacks (a network between pods, a registry, time until half past two)."""
    top = world.path('overlay')
    shutil.copytree('examples/kubernetes', top + '/base')
    os.makedirs(top + '/ours')
    open(top + '/ours/clusters.lua', 'w').write(CLUSTERS % {'s3': world.s3_port, 'allow': '"backup", "gc"', 'secondary': ''})
    patch = [{'op': 'replace', 'path': '/spec/schedule', 'value': '* * * * *'},
             {'op': 'add', 'path': '/spec/jobTemplate/spec/template/spec/hostNetwork', 'value': True},
             {'op': 'add', 'path': '/spec/jobTemplate/spec/template/spec/containers/0/imagePullPolicy', 'value': 'Never'},
             {'op': 'add', 'path': '/spec/jobTemplate/spec/template/spec/initContainers/0/imagePullPolicy', 'value': 'Never'},
             {'op': 'replace', 'path': '/spec/jobTemplate/spec/template/spec/containers/0/resources/requests', 'value': {'cpu': '10m', 'memory': '64Mi'}},
             {'op': 'replace', 'path': '/spec/jobTemplate/spec/template/spec/containers/0/args/5', 'value': '--set=max_loss=1h'},
             {'op': 'replace', 'path': '/spec/jobTemplate/spec/template/spec/containers/0/args/6', 'value': '--set=max_replay=1h'}]
    json.dump({'apiVersion': 'kustomize.config.k8s.io/v1beta1', 'kind': 'Kustomization', 'namespace': DRTEST_NS, 'resources': ['../base'],
               'configMapGenerator': [{'name': 'drtest-clusters', 'behavior': 'replace', 'files': ['clusters.lua']}],
               'patches': [{'target': {'kind': 'CronJob'}, 'patch': json.dumps(patch)}]}, open(top + '/ours/kustomization.yaml', 'w'))
    p = subprocess.run([bin_dir + '/kustomize', 'build', top + '/ours'], capture_output=True, text=True)
    if p.returncode:
        raise SystemExit('kustomize: ' + p.stderr)
    import yaml
    return list(yaml.safe_load_all(p.stdout))

PATHS = {'ConfigMap': '/api/v1', 'ServiceAccount': '/api/v1', 'PersistentVolumeClaim': '/api/v1', 'CronJob': '/apis/batch/v1', 'NetworkPolicy': '/apis/networking.k8s.io/v1'}
PLURAL = {'NetworkPolicy': 'networkpolicies'}

def collection(kind):
    return '%s/namespaces/%s/%s' % (PATHS[kind], DRTEST_NS, PLURAL.get(kind, kind.lower() + 's'))

def may_nothing(plane, check):
    """What the account may, asked of the API by itself and tried."""
    from plane import Refused
    account = 'drtest-rehearse'
    token = plane.call('POST', '/api/v1/namespaces/%s/serviceaccounts/%s/token' % (DRTEST_NS, account),
                       {'apiVersion': 'authentication.k8s.io/v1', 'kind': 'TokenRequest', 'spec': {}})['status']['token']
    rules = plane.call('POST', '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews',
                       {'apiVersion': 'authorization.k8s.io/v1', 'kind': 'SelfSubjectRulesReview', 'spec': {'namespace': DRTEST_NS}}, token=token)['status']
    may = sorted({r for rule in rules['resourceRules'] for r in rule['resources']})
    check('the account may only ask who it is: %s' % ', '.join(may), all(r.startswith('selfsubject') for r in may) and rules.get('incomplete') is not True, json.dumps(rules))
    refused = []
    for method, path in (('GET', '/api/v1/namespaces/%s/secrets/drtest-clusters' % DRTEST_NS), ('GET', '/api/v1/namespaces/%s/pods' % DRTEST_NS),
                         ('GET', '/api/v1/namespaces/%s/configmaps' % DRTEST_NS), ('GET', '/api/v1/nodes'), ('GET', '/apis/batch/v1/cronjobs'),
                         ('DELETE', collection('CronJob') + '/drtest-rehearse'), ('POST', '/api/v1/namespaces/%s/pods' % DRTEST_NS)):
        try:
            plane.call(method, path, {} if method == 'POST' else None, token=token)
            refused.append('%s %s was answered' % (method, path))
        except Refused as e:
            if e.status != 403:
                refused.append('%s %s: %s' % (method, path, e))
    check('and is refused whatever it tries: secrets, pods, configuration, nodes, jobs', not refused, '; '.join(refused))

def run(plane, world, drtest, bin_dir, check, say, pod_log, limit):
    from plane import Refused
    say('the nightly rehearsal: kustomize base, CronJob, an account that may nothing (the pair that is rehearsed is of stand-ins)')
    pair(world, drtest, limit)
    plane.call('POST', '/api/v1/namespaces', {'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': DRTEST_NS, 'labels': {
        'pod-security.kubernetes.io/warn': 'restricted'}}})
    plane.call('POST', '/api/v1/namespaces/%s/secrets' % DRTEST_NS, {'apiVersion': 'v1', 'kind': 'Secret', 'metadata': {'name': 'drtest-clusters'}, 'stringData': {
        'MYSQL_PWD': '', 'AWS_ACCESS_KEY_ID': 'minio', 'AWS_SECRET_ACCESS_KEY': 'miniostorage'}})
    os.makedirs(world.path('runs'))
    os.chmod(world.path('runs'), 0o777)
    plane.call('POST', '/api/v1/persistentvolumes', {'apiVersion': 'v1', 'kind': 'PersistentVolume', 'metadata': {'name': 'runs'}, 'spec': {
        'capacity': {'storage': '10Gi'}, 'accessModes': ['ReadWriteOnce'], 'hostPath': {'path': world.path('runs')}}})
    made = []
    for each in overlay(world, bin_dir):
        plane.call('POST', collection(each['kind']), each)
        made.append(each['kind'])
    check('the API takes the base: ' + ', '.join(sorted(made)), {'CronJob', 'ConfigMap', 'ServiceAccount', 'PersistentVolumeClaim', 'NetworkPolicy'} <= set(made))
    may_nothing(plane, check)
    pods = []
    def ended():
        nonlocal pods
        pods = plane.call('GET', '/api/v1/namespaces/%s/pods?labelSelector=job%%3Ddrtest-rehearse' % DRTEST_NS)['items']
        return pods and pods[0]['status'].get('phase') in ('Succeeded', 'Failed')
    plane.wait('the first rehearsal', ended, 240)
    pod = pods[0]
    log = pod_log(plane, pod, DRTEST_NS)
    print(log)
    check('the CronJob has run a rehearsal, and it passed', pod['status']['phase'] == 'Succeeded' and 'PASS 4 checks' in log, json.dumps(pod['status'])[-600:])
    owner = pod['metadata']['ownerReferences'][0]
    check('its pod is of a Job of the CronJob, runs as 10001, and has no token: %s' % ', '.join(v['name'] for v in pod['spec']['volumes']),
          owner['kind'] == 'Job' and pod['spec']['serviceAccountName'] == 'drtest-rehearse' and pod['spec']['securityContext']['runAsUser'] == 10001 and
          not any('projected' in v for v in pod['spec']['volumes']), json.dumps(pod['spec']['volumes']))
    folders = glob.glob(world.path('runs', '*-rehearse-*', 'result.json'))
    check('the run is on the volume, for drtest trend and gate', folders and all(os.stat(f).st_uid == 10001 for f in folders), folders)
    if folders:
        result = json.load(open(folders[0]))
        check('its verdict: %s' % result['verdict'], result['verdict'] == 'pass', result['verdict'])
    def second():
        nonlocal pods
        pods = sorted(plane.call('GET', '/api/v1/namespaces/%s/pods?labelSelector=job%%3Ddrtest-rehearse' % DRTEST_NS)['items'],
                      key=lambda p: p['metadata']['creationTimestamp'])
        return len(pods) > 1 and pods[1]['status'].get('phase') in ('Succeeded', 'Failed')
    plane.wait('the second night', second, 240)
    log = pod_log(plane, pods[1], DRTEST_NS)
    print(log)
    check('the next one begins with what the first one left, and goes through', 'removed from scratch: database d' in log and '4 checks' in log, log)
    plane.call('PATCH', collection('CronJob') + '/drtest-rehearse', {'spec': {'suspend': True}}, kind='application/merge-patch+json')
