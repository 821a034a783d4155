{{- define "gridiface.name" -}}
{{- printf "%s" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- define "gridiface.labels" -}}
app.kubernetes.io/name: gridiface
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}
{{- define "gridiface.selector" -}}
app.kubernetes.io/name: gridiface
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
