{{/* Names are fixed: webhooks, CRDs and cluster roles are the cluster's, and there is one Premortem in it. */}}

{{- define "premortem.selectorLabels" -}}
app.kubernetes.io/name: premortem
app.kubernetes.io/component: operator
{{- end }}

{{- define "premortem.labels" -}}
{{ include "premortem.selectorLabels" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end }}

{{/* (dict "root" . "image" .Values.image): registry/repository:tag or @digest. */}}
{{- define "premortem.image" -}}
{{- with .root.Values.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ .image.repository }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* What the API server trusts was put there by the operator (or cert-manager), and an upgrade says the same again: else an old API server,
to which the list of webhooks is one thing, would have it taken away. (dict "kind" … "webhook" …) */}}
{{- define "premortem.caBundle" -}}
{{- range (lookup "admissionregistration.k8s.io/v1" .kind "" "premortem").webhooks -}}
{{- if eq .name $.webhook }}{{ .clientConfig.caBundle }}{{ end -}}
{{- end -}}
{{- end }}

{{- define "premortem.webhookAnnotations" -}}
{{- if eq .Values.certificates.mode "cert-manager" }}
annotations:
  cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/premortem
{{- end }}
{{- end }}

{{/* Namespaces that pods are never injected in. */}}
{{- define "premortem.excludedNamespaces" -}}
{{- concat (list "kube-system" "kube-public" "kube-node-lease" .Release.Namespace) .Values.excludedNamespaces | uniq | toJson -}}
{{- end }}
